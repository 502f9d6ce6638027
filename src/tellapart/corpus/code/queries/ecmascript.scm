(function_declaration name: (_) @name) @function
(generator_function_declaration name: (_) @name) @function
(class_declaration name: (_) @name) @class
(class_body (method_definition name: (_) @name) @function)
(object (method_definition name: (_) @name) @long)
(pair key: (_) @name value: [(arrow_function) (function_expression) (generator_function)]) @long

; const f = () => ..., const F = memo(() => ...), const C = class ...
(lexical_declaration . (variable_declarator name: (identifier) @name
  value: [(arrow_function) (function_expression) (generator_function)])) @function
(variable_declaration . (variable_declarator name: (identifier) @name
  value: [(arrow_function) (function_expression) (generator_function)])) @function
(lexical_declaration . (variable_declarator name: (identifier) @name
  value: (call_expression arguments: (arguments [(arrow_function) (function_expression)])))) @long
(lexical_declaration . (variable_declarator name: (identifier) @name value: (class))) @class
(variable_declaration . (variable_declarator name: (identifier) @name value: (class))) @class

; exports.f = function ..., C.prototype.f = function named() ...: its own name goes before the target's
(expression_statement (assignment_expression
  right: [(function_expression name: (_) @name) (generator_function name: (_) @name)])) @function
(expression_statement (assignment_expression left: (_) @name
  right: [(function_expression) (arrow_function) (generator_function)])) @function
(expression_statement (assignment_expression left: (_) @name right: (class))) @class
(export_statement "default" @name value: [(arrow_function) (function_expression)]) @function
(export_statement "default" @name value: (class)) @class

; suites and tests; any other call with a title and a callback is named by the title
((expression_statement (call_expression function: (_) @kind
  arguments: (arguments . [(string) (template_string)] @name [(arrow_function) (function_expression)]))) @class
  (#set! kind "(describe|context|suite|fdescribe|xdescribe)([.].*)?"))
((expression_statement (call_expression function: (_) @kind
  arguments: (arguments . [(string) (template_string)] @name [(arrow_function) (function_expression)]))) @long
  (#set! kind "(?!(define|describe|context|suite|fdescribe|xdescribe)([.]|$)).*"))
((expression_statement (call_expression function: (identifier) @name @kind
  arguments: (arguments . [(arrow_function) (function_expression)]))) @long
  (#set! kind "before|after|beforeEach|afterEach|beforeAll|afterAll|setup|teardown"))

(export_statement) @wrap
(decorator) @lead
(comment) @comment
