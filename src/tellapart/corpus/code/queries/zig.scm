(function_declaration name: (_) @name body: (_)) @function
(test_declaration [(string) (identifier)] @name) @function
(variable_declaration . (identifier) @name
  [(struct_declaration) (enum_declaration) (union_declaration) (opaque_declaration)]) @class
(comment) @comment
