(script_element
  (start_tag
    (attribute
      (attribute_name) @_attribute
      (quoted_attribute_value (attribute_value) @name)))
  (#set! only "src")) @reference.import
(element
  (start_tag
    (tag_name) @_tag
    (attribute
      (attribute_name) @_attribute
      (quoted_attribute_value (attribute_value) @name)))
  (#set! only "link href")) @reference.import
