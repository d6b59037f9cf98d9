; Captures are explained in tasks/parse/captures.py.

(function_definition name: (identifier) @name body: (_) @body) @definition.function
(class_definition name: (identifier) @name body: (_) @body) @definition.class
(type_alias_statement left: (type [(identifier) @name (generic_type . (identifier) @name)]))
  @definition.type
(module (expression_statement (assignment left: (identifier) @name)) @definition.constant)

(decorated_definition) @wrapper
(comment) @comment

(module . (comment)* . (expression_statement . (string) @docstring .))
(class_definition body: (block . (comment)* . (expression_statement . (string) @docstring .)))
(function_definition body: (block . (comment)* . (expression_statement . (string) @docstring .)))

(call function: (identifier) @name) @reference.call
(call function: (attribute object: (_) @qualifier attribute: (identifier) @name)) @reference.call
(decorator (identifier) @name) @reference.call
(decorator (attribute object: (_) @qualifier attribute: (identifier) @name)) @reference.call

(class_definition superclasses: (argument_list (identifier) @name)) @reference.inherit
(class_definition
  superclasses: (argument_list (attribute object: (_) @qualifier attribute: (identifier) @name)))
  @reference.inherit
(class_definition superclasses: (argument_list (subscript value: (identifier) @name)))
  @reference.inherit
(class_definition
  superclasses: (argument_list
    (subscript value: (attribute object: (_) @qualifier attribute: (identifier) @name))))
  @reference.inherit

(type (identifier) @name) @reference.type
(type (generic_type (identifier) @name)) @reference.type
(type (attribute object: (_) @qualifier attribute: (identifier) @name)) @reference.type
(type (subscript value: (attribute object: (_) @qualifier attribute: (identifier) @name)))
  @reference.type
(type (binary_operator (identifier) @name)) @reference.type

(import_statement name: (dotted_name) @name) @reference.import
(import_statement name: (aliased_import name: (_) @name alias: (_) @alias)) @reference.import
(import_from_statement module_name: (_) @qualifier name: (dotted_name) @name) @reference.import
(import_from_statement
  module_name: (_) @qualifier
  name: (aliased_import name: (_) @name alias: (_) @alias)) @reference.import
(import_from_statement module_name: (_) @qualifier (wildcard_import) @name) @reference.import
