((function_signature name: (_) @name) @function . (function_body) @tail)
((getter_signature name: (_) @name) @function . (function_body) @tail)
((setter_signature name: (_) @name) @function . (function_body) @tail)
((method_signature (function_signature name: (_) @name)) @function . (function_body) @tail)
((method_signature (getter_signature name: (_) @name)) @function . (function_body) @tail)
((method_signature (setter_signature name: (_) @name)) @function . (function_body) @tail)
((method_signature (constructor_signature) @name) @function . (function_body) @tail)
((method_signature (factory_constructor_signature) @name) @function . (function_body) @tail)
((method_signature (operator_signature) @name) @function . (function_body) @tail)
(class_definition name: (_) @name) @class
(mixin_declaration (identifier) @name) @class
(extension_declaration name: (_) @name) @class
(enum_declaration name: (_) @name) @class
(annotation) @lead
[(comment) (documentation_comment)] @comment
