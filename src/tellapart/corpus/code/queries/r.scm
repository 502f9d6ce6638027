(binary_operator lhs: (_) @name rhs: (function_definition)) @function
((binary_operator lhs: (_) @name rhs: (call function: (_) @kind)) @class
  (#set! kind "(R6::)?R6Class|setRefClass"))
(argument name: (_) @name value: (function_definition)) @member
((call function: (_) @kind arguments: (arguments . (argument value: (string) @name))) @long
  (#set! kind "test_that|it|setMethod|setGeneric|setValidity"))
(comment) @comment
