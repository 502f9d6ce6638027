(function_declaration (_) @receiver . "." . name: (_) @name (function_body)) @function
(function_declaration name: (_) @name (function_body)) @function
(class_declaration name: (_) @name) @class
(object_declaration name: (_) @name) @class
(annotation) @lead
[(line_comment) (block_comment)] @comment
