((call target: (identifier) @kind (arguments . (_) @name)) @part
  (#any-of? @kind "def" "defp" "defmacro" "defmacrop" "defguard" "defguardp" "defdelegate" "defn" "defnp"))
((call target: (identifier) @kind (arguments . (string) @name) (do_block)) @function (#eq? @kind "test"))
((call target: (identifier) @kind (arguments . (_) @name) (do_block)) @class
  (#any-of? @kind "defmodule" "defprotocol" "defimpl"))
((unary_operator operand: (call target: (identifier) @kind)) @lead
  (#any-of? @kind "doc" "spec" "impl" "deprecated" "since" "tag" "attr" "slot"))
(comment) @comment
