(function_definition name: (_) @name) @function
(package_statement (package_name) @name) @section
(pod_statement) @lead
(comments) @comment
