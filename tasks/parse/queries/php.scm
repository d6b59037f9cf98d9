; Namespaces are no part of a name path. Captures are explained in tasks/parse/captures.py.

(class_declaration name: (_) @name body: (_) @body) @definition.class
(interface_declaration name: (_) @name body: (_) @body) @definition.interface
(trait_declaration name: (_) @name body: (_) @body) @definition.trait
(enum_declaration name: (_) @name body: (_) @body) @definition.enum
(function_definition name: (_) @name body: (_) @body) @definition.function
(method_declaration name: (_) @name body: (_)? @body) @definition.method
(const_declaration (const_element . (name) @name)) @definition.constant

(comment) @comment

(function_call_expression function: (name) @name) @reference.call
(function_call_expression
  function: (qualified_name prefix: (_) @qualifier (name) @name)) @reference.call
(member_call_expression object: (_) @qualifier name: (name) @name) @reference.call
(nullsafe_member_call_expression object: (_) @qualifier name: (name) @name) @reference.call
(scoped_call_expression scope: (_) @qualifier name: (name) @name) @reference.call
(object_creation_expression (name) @name) @reference.call
(object_creation_expression
  (qualified_name prefix: (_) @qualifier (name) @name)) @reference.call
(attribute (name) @name) @reference.call

(base_clause (name) @name) @reference.inherit
(base_clause (qualified_name prefix: (_) @qualifier (name) @name)) @reference.inherit
(class_interface_clause (name) @name) @reference.inherit
(class_interface_clause (qualified_name prefix: (_)? @qualifier (name) @name)) @reference.inherit
(use_declaration (name) @name) @reference.inherit
(use_declaration (qualified_name prefix: (_)? @qualifier (name) @name)) @reference.inherit

(namespace_use_declaration) @name @reference.use
(include_expression (string (string_content) @name)) @reference.import
(include_once_expression (string (string_content) @name)) @reference.import
(require_expression (string (string_content) @name)) @reference.import
(require_once_expression (string (string_content) @name)) @reference.import
(include_expression (binary_expression right: (string (string_content) @name))) @reference.import
(include_once_expression
  (binary_expression right: (string (string_content) @name))) @reference.import
(require_expression (binary_expression right: (string (string_content) @name))) @reference.import
(require_once_expression
  (binary_expression right: (string (string_content) @name))) @reference.import

(named_type (name) @name) @reference.type
(named_type (qualified_name prefix: (_)? @qualifier (name) @name)) @reference.type
