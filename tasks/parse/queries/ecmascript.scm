; What JavaScript and TypeScript share. Captures are explained in tasks/parse/captures.py.

(class_declaration name: (_) @name body: (_) @body) @definition.class
(function_declaration name: (_) @name body: (_) @body) @definition.function
(generator_function_declaration name: (_) @name body: (_) @body) @definition.function
(method_definition name: (_) @name body: (_) @body) @definition.method

(lexical_declaration
  (variable_declarator
    name: (identifier) @name
    value: [
      (arrow_function body: (_) @body)
      (function_expression body: (_) @body)
      (generator_function body: (_) @body)])) @definition.function
(variable_declaration
  (variable_declarator
    name: (identifier) @name
    value: [
      (arrow_function body: (_) @body)
      (function_expression body: (_) @body)
      (generator_function body: (_) @body)])) @definition.function
(lexical_declaration
  (variable_declarator name: (identifier) @name value: (class body: (_) @body))) @definition.class
(expression_statement
  (assignment_expression
    left: [
      (identifier) @name
      (member_expression object: (_) @receiver property: (property_identifier) @name)]
    right: [
      (arrow_function body: (_) @body)
      (function_expression body: (_) @body)
      (generator_function body: (_) @body)])) @definition.function
(pair
  key: [(property_identifier) (string)] @name
  value: [
    (arrow_function body: (_) @body)
    (function_expression body: (_) @body)
    (generator_function body: (_) @body)]) @definition.method

(program (lexical_declaration "const" (variable_declarator name: (identifier) @name))
  @definition.constant)
(program
  (export_statement
    declaration: (lexical_declaration (variable_declarator name: (identifier) @name))
      @definition.constant))

(export_statement) @wrapper
(comment) @comment

(call_expression
  function: (identifier) @name (#set! unless "require")) @reference.call
(call_expression
  function: (member_expression
    object: (_) @qualifier
    property: [(property_identifier) (private_property_identifier)] @name)) @reference.call
(new_expression constructor: (identifier) @name) @reference.call
(new_expression
  constructor: (member_expression object: (_) @qualifier property: (_) @name)) @reference.call
(decorator (identifier) @name) @reference.call

(import_statement "import" . source: (string (string_fragment) @name)) @reference.import
(import_statement
  (import_clause (identifier) @alias)
  source: (string (string_fragment) @qualifier)
  (#set! name "default")) @reference.import
(import_statement
  (import_clause (namespace_import (identifier) @alias))
  source: (string (string_fragment) @qualifier)
  (#set! name "*")) @reference.import
(import_statement
  (import_clause (named_imports (import_specifier name: (_) @name alias: (_)? @alias)))
  source: (string (string_fragment) @qualifier)) @reference.import
(export_statement
  (export_clause (export_specifier name: (_) @name alias: (_)? @alias))
  source: (string (string_fragment) @qualifier)) @reference.import
(export_statement
  "*" source: (string (string_fragment) @qualifier)
  (#set! name "*")) @reference.import
(variable_declarator
  name: (identifier) @alias
  value: (call_expression
    function: (identifier) @_require
    arguments: (arguments . (string (string_fragment) @name)))
  (#set! only "require")) @reference.import
(variable_declarator
  name: (object_pattern (shorthand_property_identifier_pattern) @name)
  value: (call_expression
    function: (identifier) @_require
    arguments: (arguments . (string (string_fragment) @qualifier)))
  (#set! only "require")) @reference.import
(variable_declarator
  name: (object_pattern (pair_pattern key: (property_identifier) @name value: (identifier) @alias))
  value: (call_expression
    function: (identifier) @_require
    arguments: (arguments . (string (string_fragment) @qualifier)))
  (#set! only "require")) @reference.import
(expression_statement
  (call_expression
    function: (identifier) @_require
    arguments: (arguments . (string (string_fragment) @name)))
  (#set! only "require")) @reference.import
(call_expression
  function: (import)
  arguments: (arguments . (string (string_fragment) @name))) @reference.import
