(method name: (_) @name) @function
(singleton_method name: (_) @name) @function
(class name: (_) @name) @class
; a module with methods of its own is a class to a reader; one that only holds classes is a name space
(module name: (_) @name body: (body_statement [(method) (singleton_method) (singleton_class)])) @class
((call method: (identifier) @kind arguments: (argument_list . (_) @name) block: (_)) @class
  (#set! kind "describe|context|feature|shared_examples|shared_context"))
((call method: (identifier) @kind arguments: (argument_list . (_) @name) block: (_)) @long
  (#set! kind "it|specify|scenario|test|should|task"))
(comment) @comment
