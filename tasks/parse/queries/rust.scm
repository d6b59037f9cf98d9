; Captures are explained in tasks/parse/captures.py.

(function_item name: (_) @name body: (_) @body) @definition.function
(function_signature_item name: (_) @name) @definition.function
(struct_item name: (_) @name body: (_)? @body) @definition.struct
(union_item name: (_) @name body: (_) @body) @definition.struct
(enum_item name: (_) @name body: (_) @body) @definition.enum
(trait_item name: (_) @name body: (_) @body) @definition.trait
(mod_item name: (_) @name body: (_) @body) @definition.module
(type_item name: (_) @name) @definition.type
(const_item name: (_) @name) @definition.constant
(static_item name: (_) @name) @definition.constant
(macro_definition name: (_) @name) @definition.macro
(impl_item
  type: [
    (type_identifier) @name
    (generic_type type: (type_identifier) @name)
    (generic_type type: (scoped_type_identifier name: (_) @name))
    (scoped_type_identifier name: (_) @name)
    (reference_type type: (type_identifier) @name)
    (primitive_type) @name]
  body: (_) @body) @part.impl

(line_comment) @comment
(block_comment) @comment
(line_comment inner: (_)) @docstring
(block_comment inner: (_)) @docstring
(attribute_item) @leading

(call_expression function: (identifier) @name) @reference.call
(call_expression
  function: (field_expression value: (_) @qualifier field: (field_identifier) @name))
  @reference.call
(call_expression
  function: (scoped_identifier path: (_)? @qualifier name: (_) @name)) @reference.call
(call_expression function: (generic_function function: (identifier) @name)) @reference.call
(call_expression
  function: (generic_function
    function: (field_expression value: (_) @qualifier field: (field_identifier) @name)))
  @reference.call
(call_expression
  function: (generic_function
    function: (scoped_identifier path: (_)? @qualifier name: (_) @name))) @reference.call
(macro_invocation macro: (identifier) @name) @reference.call
(macro_invocation
  macro: (scoped_identifier path: (_)? @qualifier name: (_) @name)) @reference.call
(struct_expression name: (type_identifier) @name) @reference.call
(struct_expression
  name: (scoped_type_identifier path: (_)? @qualifier name: (_) @name)) @reference.call

(impl_item
  trait: [
    (type_identifier) @name
    (generic_type type: (type_identifier) @name)
    (scoped_type_identifier path: (_)? @qualifier name: (_) @name)]) @reference.inherit
(trait_item
  bounds: (trait_bounds
    [(type_identifier) @name
     (generic_type type: (type_identifier) @name)
     (scoped_type_identifier path: (_)? @qualifier name: (_) @name)])) @reference.inherit

(use_declaration argument: (_) @name) @reference.use
(mod_item name: (_) @name !body) @reference.import
(extern_crate_declaration name: (_) @name alias: (_)? @alias) @reference.import

(scoped_type_identifier path: (_)? @qualifier name: (_) @name) @reference.type
(type_identifier) @name @reference.type
