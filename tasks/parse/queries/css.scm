(rule_set (selectors) @name (block) @body) @part.block
(keyframes_statement (keyframes_name) @name (keyframe_block_list) @body) @part.block
(media_statement (block) @body) @part.block
(supports_statement (block) @body) @part.block
(at_rule (block) @body) @part.block
(comment) @comment

(import_statement (string_value (string_content) @name)) @reference.import
(import_statement
  (call_expression (arguments (string_value (string_content) @name)))) @reference.import
