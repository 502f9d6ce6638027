(signature name: (_) @name) @part
(function name: (_) @name) @part
(bind name: (_) @name) @part
(data_type name: (_) @name) @function
(newtype name: (_) @name) @function
(class name: (_) @name) @class
(instance name: (_) @name) @class
[(comment) (haddock)] @comment
