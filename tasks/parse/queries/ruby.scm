; Captures are explained in tasks/parse/captures.py.

(class name: (_) @name body: (_)? @body) @definition.class
(module name: (_) @name body: (_)? @body) @definition.module
(module
  body: (body_statement (method name: (_) @name body: (_)? @body) @definition.method))
(method name: (_) @name body: (_)? @body) @definition.function
(singleton_method name: (_) @name body: (_)? @body) @definition.method
(program (assignment left: (constant) @name) @definition.constant)
(class body: (body_statement (assignment left: (constant) @name) @definition.constant))
(module body: (body_statement (assignment left: (constant) @name) @definition.constant))

(comment) @comment

(call receiver: (_) @qualifier method: (identifier) @name) @reference.call
(call
  !receiver
  method: (identifier) @name
  (#set! unless "require|require_relative|load|autoload|include|extend|prepend"))
  @reference.call
(call
  receiver: [
    (constant) @name
    (scope_resolution scope: (_)? @qualifier name: (constant) @name)]
  method: (identifier) @_new
  (#set! only "new")) @reference.call

(superclass
  [(constant) @name
   (scope_resolution scope: (_)? @qualifier name: (constant) @name)]) @reference.inherit
(call
  !receiver
  method: (identifier) @_mixin
  arguments: (argument_list
    [(constant) @name
     (scope_resolution scope: (_)? @qualifier name: (constant) @name)])
  (#set! only "include|extend|prepend")) @reference.inherit

(call
  !receiver
  method: (identifier) @_require
  arguments: (argument_list . (string (string_content) @name))
  (#set! only "require|require_relative|load|autoload")) @reference.import
