; Captures are explained in tasks/parse/captures.py.

(function_declaration name: (identifier) @name body: (_)? @body) @definition.function
(method_declaration
  receiver: (parameter_list (parameter_declaration type: (_) @receiver))
  name: (field_identifier) @name
  body: (_)? @body) @definition.method
; in parentheses each name is a definition; without, the keyword is a part of it
(type_declaration
  "(" (type_spec name: (_) @name type: (struct_type (_) @body)) @definition.struct)
(type_declaration
  "(" (type_spec name: (_) @name type: (interface_type "{" @body)) @definition.interface)
(type_declaration "(" (type_spec name: (_) @name) @definition.type)
(type_declaration "(" (type_alias name: (_) @name) @definition.type)
(type_declaration
  (type_spec name: (_) @name type: (struct_type (_) @body))) @definition.struct
(type_declaration
  (type_spec name: (_) @name type: (interface_type "{" @body))) @definition.interface
(type_declaration (type_spec name: (_) @name)) @definition.type
(type_declaration (type_alias name: (_) @name)) @definition.type
(method_elem name: (_) @name) @definition.method
(source_file (const_declaration "(" (const_spec (identifier) @name) @definition.constant))
(source_file (const_declaration (const_spec (identifier) @name)) @definition.constant)
(source_file
  (var_declaration (var_spec_list (var_spec (identifier) @name) @definition.constant)))
(source_file (var_declaration (var_spec (identifier) @name)) @definition.constant)

(comment) @comment
; the comment above it documents the package
(package_clause) @part.document

(call_expression function: (identifier) @name) @reference.call
(call_expression
  function: (selector_expression operand: (_) @qualifier field: (_) @name)) @reference.call
(call_expression
  function: (index_expression operand: (identifier) @name)) @reference.call
(composite_literal type: (type_identifier) @name) @reference.call
(composite_literal type: (generic_type type: (type_identifier) @name)) @reference.call
(composite_literal
  type: (qualified_type package: (_) @qualifier name: (_) @name)) @reference.call

(field_declaration !name type: (type_identifier) @name) @reference.inherit
(field_declaration !name type: (generic_type type: (type_identifier) @name)) @reference.inherit
(field_declaration
  !name type: (qualified_type package: (_) @qualifier name: (_) @name)) @reference.inherit
(interface_type (type_elem . (type_identifier) @name .)) @reference.inherit
(interface_type
  (type_elem . (qualified_type package: (_) @qualifier name: (_) @name) .)) @reference.inherit

(import_spec name: (_)? @alias path: (_ (interpreted_string_literal_content) @name))
  @reference.import

(qualified_type package: (_) @qualifier name: (_) @name) @reference.type
(type_identifier) @name @reference.type
