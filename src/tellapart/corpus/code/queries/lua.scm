(function_declaration name: (_) @name) @function
(assignment_statement (variable_list . (_) @name) (expression_list . (function_definition))) @function
(field name: (_) @name value: (function_definition)) @long
((function_call name: (identifier) @kind arguments: (arguments . (string) @name (function_definition))) @class
  (#set! kind "describe|context"))
((function_call name: (identifier) @kind arguments: (arguments . (string) @name (function_definition))) @long
  (#set! kind "it|test|pending"))
(variable_declaration) @wrap
(comment) @comment
