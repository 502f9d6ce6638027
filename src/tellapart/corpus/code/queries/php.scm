(function_definition name: (_) @name) @function
(method_declaration name: (_) @name body: (_)) @function
(expression_statement (assignment_expression left: (_) @name
  right: [(anonymous_function) (arrow_function)])) @long
(class_declaration name: (_) @name) @class
(interface_declaration name: (_) @name) @class
(trait_declaration name: (_) @name) @class
(enum_declaration name: (_) @name) @class
(comment) @comment
