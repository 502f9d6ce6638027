(function_definition declarator: (_) @name) @function
(preproc_function_def name: (_) @name) @long
(struct_specifier name: (_) @name body: (_)) @function
(union_specifier name: (_) @name body: (_)) @function
(enum_specifier name: (_) @name body: (_)) @function
(type_definition type: [(struct_specifier body: (_)) (union_specifier body: (_)) (enum_specifier body: (_))]
  declarator: (_) @name) @function
(comment) @comment
