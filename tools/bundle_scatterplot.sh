#!/usr/bin/env bash
# Bundle regl-scatterplot with what it needs into one ES module for the page of `tellapart serve` (Node.js, npm).
set -euo pipefail
page=$(cd "$(dirname "$0")/../src/tellapart/serving/page/vendor" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y > /dev/null
npm install --silent regl-scatterplot@1.16.0 esbuild@0.28.2
echo 'export { default } from "regl-scatterplot";' > entry.js
npx esbuild entry.js --bundle --format=esm --minify --legal-comments=inline --outfile=bundle.js
{
  echo "// regl-scatterplot 1.16.0 (MIT) with regl, regl-line, dom-2d-camera, camera-2d-simple, earcut, gl-matrix, pub-sub-es; see NOTICE. Made by tools/bundle_scatterplot.sh."
  cat bundle.js
} > "$page/scatterplot.js"
