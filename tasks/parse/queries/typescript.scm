; What TypeScript adds to ecmascript.scm.

(abstract_class_declaration name: (_) @name body: (_) @body) @definition.class
(interface_declaration name: (_) @name body: (_) @body) @definition.interface
(enum_declaration name: (_) @name body: (_) @body) @definition.enum
(type_alias_declaration name: (_) @name) @definition.type
(internal_module name: (_) @name body: (_) @body) @definition.module
(module name: (_) @name body: (_) @body) @definition.module
(function_signature name: (_) @name) @definition.function
(method_signature name: (_) @name) @definition.method
(abstract_method_signature name: (_) @name) @definition.method
(public_field_definition
  name: (_) @name
  value: [(arrow_function body: (_) @body) (function_expression body: (_) @body)])
  @definition.method
(ambient_declaration
  (lexical_declaration (variable_declarator name: (identifier) @name)) @definition.constant)

(ambient_declaration) @wrapper
(class_body (decorator) @leading)

(extends_clause value: (identifier) @name) @reference.inherit
(extends_clause value: (member_expression object: (_) @qualifier property: (_) @name))
  @reference.inherit
(implements_clause
  [(type_identifier) @name
   (generic_type name: (type_identifier) @name)
   (nested_type_identifier module: (_) @qualifier name: (_) @name)]) @reference.inherit
(extends_type_clause
  type: [
    (type_identifier) @name
    (generic_type name: (type_identifier) @name)
    (nested_type_identifier module: (_) @qualifier name: (_) @name)]) @reference.inherit

(import_statement
  (import_require_clause (identifier) @alias source: (string (string_fragment) @name)))
  @reference.import

(nested_type_identifier module: (_) @qualifier name: (type_identifier) @name) @reference.type
(type_identifier) @name @reference.type
