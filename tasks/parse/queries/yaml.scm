(document) @part.document
(document (block_node (block_mapping (block_mapping_pair key: (_) @name) @part.block)))
(comment) @comment
