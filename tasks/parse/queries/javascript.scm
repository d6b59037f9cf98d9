; What TypeScript's grammar names differently.

(field_definition
  property: (_) @name
  value: [(arrow_function body: (_) @body) (function_expression body: (_) @body)])
  @definition.method

(class_heritage (identifier) @name) @reference.inherit
(class_heritage (member_expression object: (_) @qualifier property: (_) @name)) @reference.inherit
