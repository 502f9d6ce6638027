(compilation_unit (value_definition (let_binding pattern: (_) @name (parameter)) @function))
(structure (value_definition (let_binding pattern: (_) @name (parameter)) @function))
(value_definition (let_binding pattern: (value_name) @name body: [(function_expression) (fun_expression)]) @function)
(compilation_unit (value_definition (let_binding pattern: (value_name) @name) @long))
(structure (value_definition (let_binding pattern: (value_name) @name) @long))
(type_definition . (type_binding name: (_) @name)) @long
(method_definition (method_name) @name) @function
(module_definition (module_binding (module_name) @name)) @class
(module_type_definition (module_type_name) @name) @class
(class_definition (class_binding (class_name) @name)) @class
(comment) @comment
