(rule_set (selectors) @name) @function
(keyframes_statement (keyframes_name) @name) @function
(at_rule (at_keyword) @name) @long
(media_statement) @class
(supports_statement) @class
(comment) @comment
