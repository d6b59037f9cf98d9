; What C++ adds to c.scm, read before it. A template's header belongs to what it templates.

(template_declaration
  (function_definition
    declarator: [
      (function_declarator declarator: (_) @name)
      (pointer_declarator declarator: (function_declarator declarator: (_) @name))
      (reference_declarator (function_declarator declarator: (_) @name))]
    body: (_) @body)) @definition.function
(template_declaration (class_specifier name: (_) @name body: (_) @body)) @definition.class
(template_declaration (struct_specifier name: (_) @name body: (_) @body)) @definition.struct
(template_declaration (alias_declaration name: (_) @name)) @definition.type
(class_specifier name: (_) @name body: (_) @body) @definition.class
(function_definition
  declarator: [
    (function_declarator declarator: (_) @name)
    (pointer_declarator declarator: (function_declarator declarator: (_) @name))
    (reference_declarator (function_declarator declarator: (_) @name))
    (qualified_identifier name: (operator_cast)) @name
    (operator_cast) @name]
  body: (_)? @body) @definition.function
(field_declaration
  declarator: [
    (function_declarator declarator: (field_identifier) @name)
    (pointer_declarator declarator: (function_declarator declarator: (field_identifier) @name))
    (reference_declarator (function_declarator declarator: (field_identifier) @name))]
  default_value: (_)) @definition.method
(alias_declaration name: (_) @name) @definition.type
(concept_definition name: (_) @name) @definition.type

(call_expression function: (qualified_identifier) @name) @reference.call
(call_expression function: (template_function name: (identifier) @name)) @reference.call
(call_expression
  function: (field_expression
    argument: (_) @qualifier field: (template_method name: (_) @name))) @reference.call
(new_expression type: [(type_identifier) (qualified_identifier)] @name) @reference.call
(new_expression type: (template_type name: (_) @name)) @reference.call

(base_class_clause [(type_identifier) (qualified_identifier)] @name) @reference.inherit
(base_class_clause (template_type name: (_) @name)) @reference.inherit

(using_declaration "namespace" (_) @qualifier (#set! name "*")) @reference.import
(using_declaration (qualified_identifier) @name) @reference.import
