; Captures are explained in tasks/parse/captures.py.

(class_declaration name: (_) @name body: (_) @body) @definition.class
(record_declaration name: (_) @name body: (_) @body) @definition.class
(interface_declaration name: (_) @name body: (_) @body) @definition.interface
(annotation_type_declaration name: (_) @name body: (_) @body) @definition.interface
(enum_declaration name: (_) @name body: (_) @body) @definition.enum
(method_declaration name: (_) @name body: (_)? @body) @definition.method
(constructor_declaration name: (_) @name body: (_) @body) @definition.method
(compact_constructor_declaration name: (_) @name body: (_) @body) @definition.method
(annotation_type_element_declaration name: (_) @name) @definition.method
(field_declaration
  (modifiers "static" "final")
  declarator: (variable_declarator name: (_) @name)) @definition.constant
(constant_declaration declarator: (variable_declarator name: (_) @name)) @definition.constant

(line_comment) @comment
(block_comment) @comment

(method_invocation object: (_)? @qualifier name: (_) @name) @reference.call
(object_creation_expression
  type: [
    (type_identifier) @name
    (generic_type . (type_identifier) @name)
    (scoped_type_identifier (_) @qualifier "." (type_identifier) @name)]) @reference.call
(method_reference . (_) @qualifier (identifier) @name .) @reference.call
(marker_annotation name: (identifier) @name) @reference.call
(annotation name: (identifier) @name) @reference.call

(superclass
  [(type_identifier) @name
   (generic_type . (type_identifier) @name)
   (scoped_type_identifier (_) @qualifier "." (type_identifier) @name)]) @reference.inherit
(super_interfaces
  (type_list
    [(type_identifier) @name
     (generic_type . (type_identifier) @name)
     (scoped_type_identifier (_) @qualifier "." (type_identifier) @name)])) @reference.inherit
(extends_interfaces
  (type_list
    [(type_identifier) @name
     (generic_type . (type_identifier) @name)
     (scoped_type_identifier (_) @qualifier "." (type_identifier) @name)])) @reference.inherit

(import_declaration
  (scoped_identifier scope: (_) @qualifier name: (_) @name) .) @reference.import
(import_declaration (_) @qualifier (asterisk) @name) @reference.import

(type_identifier) @name @reference.type
