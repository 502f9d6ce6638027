(binary_operator lhs: (_) @name rhs: (function_definition)) @function
((binary_operator lhs: (_) @name rhs: (call function: (_) @kind)) @class
  (#match? @kind "^(R6::)?R6Class$|^setRefClass$"))
(argument name: (_) @name value: (function_definition)) @member
((call function: (_) @kind arguments: (arguments . (argument value: (string) @name))) @long
  (#any-of? @kind "test_that" "it" "setMethod" "setGeneric" "setValidity"))
(comment) @comment
