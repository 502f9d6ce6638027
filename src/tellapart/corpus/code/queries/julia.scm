(function_definition (signature) @name) @function
(macro_definition (signature) @name) @function
(assignment . (call_expression) @name) @function
(assignment . (where_expression) @name) @function
(struct_definition (type_head) @name) @class
(macrocall_expression) @wrap
(string_literal) @lead
[(line_comment) (block_comment)] @comment
