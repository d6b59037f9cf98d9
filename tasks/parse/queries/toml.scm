(document (pair . (_) @name) @part.block)
(table [(bare_key) (dotted_key) (quoted_key)] @name) @part.block
(table_array_element [(bare_key) (dotted_key) (quoted_key)] @name) @part.block
(comment) @comment
