"""Installing into agents' settings: nothing else changes, and everything can be taken back."""

from __future__ import annotations

import json
import re
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart import TellapartError
from tellapart.serving.agents import jsonc
from tellapart.serving.agents.formats import JsonSettings, MarkdownSection, TomlSettings, YamlSettings
from tellapart.serving.agents.install import (
    AGENTS,
    Scope,
    apply_install,
    apply_uninstall,
    installing,
    uninstalling,
)

JSON_FILES = [
    "",
    "{}",
    "{ }\n",
    '{"mcpServers": {}}',
    '{"mcpServers": {"other": {"command": "x"}}}',
    '{\n  "theme": "dark"\n}\n',
    '{\n\t"mcpServers": {\n\t\t"other": {"command": "x", "args": ["a", "b"]},\n\t},\n}\n',
    '// settings\n{\n    // servers\n    "mcpServers": { // mine\n        "other": {"command": "x"} // last\n    },\n'
    '    /* more */ "x": [1, 2,],\n}\n// end\n',
    '{\r\n  "mcpServers": {\r\n    "other": {}\r\n  }\r\n}\r\n',
    '\ufeff{\n  "a": "}{ // no comment \\" /* */"\n}',
    '{\n  "mcpServers": {\n    // nothing yet\n  }\n}\n',
]
TOML_FILES = [
    "",
    'model = "o3"\n',
    '# mine\n[mcp_servers.other]  # keep\ncommand = "x"\n\n[tui]\ntheme = "dark"',
    'model = "o3"\r\n[tui]\r\nx = 1\r\n',
    "\n\n",
]
YAML_FILES = [
    "",
    "GOOSE_MODEL: gpt\n",
    "extensions:\n  developer:\n    enabled: true  # yes\n    type: builtin\nGOOSE_MODE: auto\n",
    "# top\nextensions: # mine\n\n    developer:\n        enabled: true\n",
    "extensions:\r\n  developer:\r\n    enabled: true\r\n",
    "a: 1",
]
MARKDOWN_FILES = ["", "# Agents\n\nBe kind.\n", "no newline"]
FORMATS = [
    *[(JsonSettings(("mcpServers",)), text) for text in JSON_FILES],
    *[(TomlSettings("mcp_servers"), text) for text in TOML_FILES],
    *[(YamlSettings("extensions"), text) for text in YAML_FILES],
    *[(MarkdownSection(), text) for text in MARKDOWN_FILES],
]
VALUE = {"command": "tellapart", "args": ["mcp"], "text": "## Searching\n\nSearch."}


def plain(text):
    """Parse JSON with comments by an oracle of a few lines."""
    out, at = [], 0
    for found in re.finditer(r'"(?:[^"\\]|\\.)*"|//[^\n]*|/\*.*?\*/', text, re.DOTALL):
        out += [text[at : found.start()], found.group() if found.group().startswith('"') else " "]
        at = found.end()
    bare = "".join([*out, text[at:]]).lstrip("\ufeff")
    return json.loads(re.sub(r",(\s*[}\]])", r"\1", bare) or "{}")


@pytest.mark.parametrize(("form", "text"), FORMATS)
def test_one_piece_is_put_in_and_taken_out_again(form, text, tmp_path):
    file = tmp_path / "settings"
    file.write_bytes(text.encode())
    change = installing(file, form, VALUE)
    apply_install(change)
    made = file.read_bytes().decode()
    assert "tellapart" in made
    for comment in re.findall(r"(?://|#|/\*)[^\n]*", text):
        assert comment.strip() in made
    assert not installing(file, form, VALUE).any
    undo = uninstalling(file, form, VALUE)
    assert undo.undone_exactly
    apply_uninstall(undo)
    assert file.read_bytes() == text.encode()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["settings"]


@pytest.mark.parametrize("text", JSON_FILES)
def test_json_says_what_it_said_and_the_entry(text):
    before = plain(text)
    after = plain(JsonSettings(("mcpServers",)).added(text, VALUE))
    assert after["mcpServers"].pop("tellapart") == VALUE
    if not after["mcpServers"] and "mcpServers" not in before:
        del after["mcpServers"]
    assert after == before


@pytest.mark.parametrize("text", TOML_FILES)
def test_toml_says_what_it_said_and_the_entry(text):
    after = tomllib.loads(TomlSettings("mcp_servers").added(text, VALUE))
    assert after["mcp_servers"].pop("tellapart") == VALUE
    if not after["mcp_servers"]:
        del after["mcp_servers"]
    assert after == tomllib.loads(text)


@pytest.mark.parametrize("text", YAML_FILES)
def test_yaml_says_what_it_said_and_the_entry(text):
    yaml = pytest.importorskip("yaml")
    after = yaml.safe_load(YamlSettings("extensions").added(text, VALUE))
    assert after["extensions"].pop("tellapart") == VALUE
    if not after["extensions"]:
        del after["extensions"]
    assert after == (yaml.safe_load(text) or {})


@pytest.mark.parametrize(("form", "text"), FORMATS)
def test_what_others_wrote_since_stays(form, text, tmp_path):
    file = tmp_path / "settings"
    file.write_bytes(text.encode())
    apply_install(installing(file, form, VALUE))
    made = file.read_bytes().decode()
    comment = {JsonSettings: "\n// later\n", MarkdownSection: "\nlater\n"}.get(type(form), "\n# later\n")
    file.write_bytes((made + comment).encode())
    apply_uninstall(uninstalling(file, form, VALUE))
    assert file.read_bytes().decode() == text + comment


@pytest.mark.parametrize(("form", "text"), FORMATS)
def test_an_entry_changed_by_hand_goes_too(form, text, tmp_path):
    file = tmp_path / "settings"
    file.write_bytes(text.encode())
    apply_install(installing(file, form, VALUE))
    file.write_bytes(file.read_bytes().replace(b'mcp"]', b'mcp", "~/src"]').replace(b"Search.", b"Find."))
    apply_uninstall(uninstalling(file, form, VALUE))
    assert "tellapart" not in file.read_bytes().decode()


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=5),
        st.recursive(st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)),
    ),
    st.sampled_from([None, 1, 4, "\t"]),
)
def test_any_json_keeps_its_values(content, indent):
    text = json.dumps(content, indent=indent)
    form = JsonSettings(("mcpServers",))
    if "mcpServers" in content:
        return
    after = form.added(text, VALUE)
    assert json.loads(after) == {**content, "mcpServers": {"tellapart": VALUE}}
    assert json.loads(jsonc.remove(after, (), "mcpServers")) == content


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (JsonSettings(("mcpServers",)), '{"a": }'),
        (JsonSettings(("mcpServers",)), "[1]"),
        (JsonSettings(("mcpServers",)), '{"mcpServers": 3}'),
        (JsonSettings(("mcpServers",)), '{"a": 1} x'),
        (TomlSettings("mcp_servers"), "a = = 1"),
        (TomlSettings("mcp_servers"), "mcp_servers = {}"),
        (YamlSettings("extensions"), "extensions: {}\n"),
    ],
)
def test_what_is_not_understood_is_left_alone(form, text, tmp_path):
    file = tmp_path / "settings"
    file.write_text(text)
    with pytest.raises(TellapartError) as error:
        installing(file, form, VALUE)
    assert str(file) in str(error.value)
    assert file.read_text() == text


@pytest.mark.parametrize("name", AGENTS)
@pytest.mark.parametrize("scope", Scope)
def test_every_agent_from_nothing_and_back(name, scope, tmp_path, monkeypatch, call):
    home, project = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    project.mkdir()
    monkeypatch.setattr("pathlib.Path.home", lambda: home)
    if scope is Scope.PROJECT and AGENTS[name].project is None:
        code, _, err = call("install", project, "--agent", name)
        assert code == 2
        assert "--scope user" in err
        return
    code, out, _ = call("install", project, "--agent", name, "--scope", scope, "--dry-run")
    assert code == 0
    assert "+" in out
    assert not any(path.is_file() for path in tmp_path.rglob("*"))
    assert call("install", project, "--agent", name, "--scope", scope)[0] == 0
    file = AGENTS[name].file(scope, project, home)
    assert "tellapart" in file.read_text()
    code, _, err = call("install", project, "--agent", name, "--scope", scope)
    assert "already" in err
    assert call("uninstall", project, "--agent", name, "--scope", scope)[0] == 0
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_links_and_permissions_stay(tmp_path):
    real, link = tmp_path / "dotfiles.json", tmp_path / "settings.json"
    real.write_text("{}\n")
    real.chmod(0o600)
    link.symlink_to(real)
    form = JsonSettings(("mcpServers",))
    apply_install(installing(link, form, VALUE))
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o600
    apply_uninstall(uninstalling(link, form, VALUE))
    assert real.read_text() == "{}\n"


def test_agents_page(tmp_path, call):
    page = tmp_path / "AGENTS.md"
    page.write_text("# House rules\n")
    assert call("install", tmp_path, "--agents-md")[0] == 0
    assert "tellapart search" in page.read_text()
    assert call("uninstall", tmp_path, "--agents-md")[0] == 0
    assert page.read_text() == "# House rules\n"


def test_uninstall_alone_takes_out_everything(tmp_path, call):
    page = tmp_path / "AGENTS.md"
    page.write_text("# House rules\n")
    assert call("install", tmp_path, "--agent", "cursor", "--agent", "codex", "--agents-md")[0] == 0
    assert call("uninstall", tmp_path)[0] == 0
    assert [file.name for file in tmp_path.iterdir()] == ["AGENTS.md"]
    assert page.read_text() == "# House rules\n"
    code, _, err = call("uninstall", tmp_path)
    assert code == 2
    assert "nothing was installed here" in err


@pytest.mark.parametrize("arguments", [[], ["--agent", "emacs"], ["--agent", "codex", "--scope", "world"]])
def test_mistakes_are_one_line(arguments, tmp_path, call):
    code, _, err = call("install", tmp_path, *arguments)
    assert code == 2
    assert len(err.strip().splitlines()) == 1


def test_a_server_that_would_not_start_is_told_of(tmp_path, call, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "'tellapart' is not on the PATH" in call("install", tmp_path, "--agent", "claude-code")[2]
    monkeypatch.setattr("tellapart.cli.install.which", lambda name: f"/bin/{name}")
    monkeypatch.setattr("tellapart.cli.install.find_spec", lambda name: None)
    _, _, err = call("install", tmp_path, "--agent", "cursor")
    assert "PATH" not in err
    assert "pip install 'tellapart[mcp]'" in err
