(function_definition name: (_) @name) @function
(class_definition name: (_) @name) @class
(decorated_definition) @wrap
(comment) @comment
