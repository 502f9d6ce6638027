(function_declaration name: (_) @name) @function
(method_declaration
  receiver: (parameter_list (parameter_declaration type: (_) @receiver)) name: (_) @name) @function
(type_declaration . (type_spec name: (_) @name type: [(struct_type) (interface_type)]) .) @function
(type_declaration "(" (type_spec name: (_) @name type: [(struct_type) (interface_type)]) @function)
(comment) @comment
