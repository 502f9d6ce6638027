((call target: (identifier) @kind (arguments . (_) @name)) @part
  (#set! kind "def|defp|defmacro|defmacrop|defguard|defguardp|defdelegate|defn|defnp"))
((call target: (identifier) @kind (arguments . (string) @name) (do_block)) @function (#set! kind "test"))
((call target: (identifier) @kind (arguments . (_) @name) (do_block)) @class
  (#set! kind "defmodule|defprotocol|defimpl"))
((unary_operator operand: (call target: (identifier) @kind)) @lead
  (#set! kind "doc|spec|impl|deprecated|since|tag|attr|slot"))
(comment) @comment
