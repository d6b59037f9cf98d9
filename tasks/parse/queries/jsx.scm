; Components are called by their tags; tags in lower case are HTML.

(jsx_opening_element name: (identifier) @name (#set! only "[A-Z].*")) @reference.call
(jsx_self_closing_element name: (identifier) @name (#set! only "[A-Z].*")) @reference.call
(jsx_opening_element
  name: (member_expression object: (_) @qualifier property: (_) @name)) @reference.call
(jsx_self_closing_element
  name: (member_expression object: (_) @qualifier property: (_) @name)) @reference.call
