; Captures are explained in tasks/parse/captures.py.

(create_table (object_reference name: (_) @name) [(column_definitions) (create_query)]? @body)
  @definition.table
(create_view (object_reference name: (_) @name) (create_query)? @body) @definition.view
(create_materialized_view
  (object_reference name: (_) @name) (create_query)? @body) @definition.view
(create_function (object_reference name: (_) @name) (function_body)? @body) @definition.function
(create_procedure (object_reference name: (_) @name) (procedure_body)? @body) @definition.function
(create_trigger (keyword_trigger) . (object_reference name: (_) @name)) @definition.trigger
(create_index column: (identifier) @name) @definition.index
(create_type (object_reference name: (_) @name)) @definition.type
(create_sequence (object_reference name: (_) @name)) @definition.sequence

(statement) @wrapper
(comment) @comment
(marginalia) @comment

(invocation (object_reference schema: (_)? @qualifier name: (_) @name)) @reference.call
(relation (object_reference schema: (_)? @qualifier name: (_) @name)) @reference.type
(insert (object_reference schema: (_)? @qualifier name: (_) @name)) @reference.type
