; Captures are explained in tasks/parse/captures.py.

(function_definition name: (_) @name body: (_) @body) @definition.function
(program (variable_assignment name: (variable_name) @name) @definition.constant)
(program
  (declaration_command (variable_assignment name: (variable_name) @name)) @definition.constant)

(comment) @comment

(command
  name: (command_name (word) @_source)
  argument: [(word) (string) (raw_string) (concatenation)] @name
  (#set! only "source|[.]")) @reference.import
(command
  name: (command_name (word) @name)
  (#set! unless "source|[.]|\\[")) @reference.call
