(function_declaration name: (simple_identifier) @name) @function
(init_declaration "init" @name) @function
(deinit_declaration "deinit" @name) @function
(subscript_declaration "subscript" @name) @function
(property_declaration name: (_) @name computed_value: (_)) @long
(class_declaration name: (_) @name) @class
(protocol_declaration name: (_) @name) @class
[(comment) (multiline_comment)] @comment
