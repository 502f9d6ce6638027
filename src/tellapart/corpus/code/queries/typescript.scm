; inherits: ecmascript
(class_body (public_field_definition name: (_) @name value: [(arrow_function) (function_expression)]) @long)
(abstract_class_declaration name: (_) @name) @class
(interface_declaration name: (_) @name) @class
(enum_declaration name: (_) @name) @class
(type_alias_declaration name: (_) @name) @long
(function_signature name: (_) @name) @part
(ambient_declaration) @wrap
