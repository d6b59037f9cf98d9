(document (object (pair key: (string) @name) @part.block))
(comment) @comment
