(statement (create_function (object_reference) @name)) @function
(statement (create_table (object_reference) @name)) @function
(statement (create_view (object_reference) @name)) @function
(statement (create_materialized_view (object_reference) @name)) @function
(statement (create_trigger (object_reference) @name)) @function
(statement (create_type (object_reference) @name)) @function
(statement (create_index column: (_) @name)) @function
[(comment) (marginalia)] @comment
