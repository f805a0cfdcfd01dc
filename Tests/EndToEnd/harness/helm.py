"""Renders a Helm chart without helm: the part of Go's templates that our chart keeps to, and stricter than the original. A field
that is not there, an unknown function or a broken block is an error here."""

import hashlib
import json
import pathlib
import re

import yaml


class TemplateError(Exception):
    """What is wrong with a template."""


def merged(base, changes):
    """Values over values, as helm does it: maps key by key, everything else replaced."""
    made = dict(base)
    for key, value in changes.items():
        made[key] = merged(made[key], value) if isinstance(value, dict) and isinstance(made.get(key), dict) else value
    return made


def render_chart(folder, values=None, release="tailgate", namespace="tailgate"):
    """{file name: text} of all templates of a chart, helpers left out."""
    folder = pathlib.Path(folder)
    chart = yaml.safe_load((folder / "Chart.yaml").read_text())
    data = {
        "Values": merged(yaml.safe_load((folder / "values.yaml").read_text()), values or {}),
        "Release": {"Name": release, "Namespace": namespace, "Service": "Helm"},
        "Chart": {key[0].upper() + key[1:]: value for key, value in chart.items()},
        "Template": {"BasePath": f"{chart['name']}/templates"},
    }
    engine = Engine(data)
    files = sorted((folder / "templates").iterdir())
    for file in files:
        engine.add(f"{chart['name']}/templates/{file.name}", file.read_text())
    return {f.name: engine.include(f"{chart['name']}/templates/{f.name}", data) for f in files if not f.name.startswith("_")}


def documents(rendered):
    """The Kubernetes objects of rendered templates."""
    found = []
    for name, text in rendered.items():
        if name.endswith(".yaml"):
            found += [document for document in yaml.safe_load_all(text) if document]
    return found


ACTION = re.compile(r"\{\{(-\s)?(.*?)(\s-)?\}\}", re.S)
TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|`[^`]*`|[()|]|[^\s()|"]+)')


def parse(text):
    """A flat list of ("text", text) and ("action", code), blanks trimmed where actions ask for it."""
    parts, place, trim = [], 0, False
    for match in ACTION.finditer(text):
        plain = text[place : match.start()]
        if trim:
            plain = plain.lstrip()
        if match[1]:
            plain = plain.rstrip()
        parts += [("text", plain), ("action", match[2].strip())]
        place, trim = match.end(), bool(match[3])
    rest = text[place:]
    return parts + [("text", rest.lstrip() if trim else rest)]


class Engine:
    """Named templates and what they are rendered with."""

    def __init__(self, root):
        self.root = root
        self.templates = {}

    def add(self, name, text):
        parts = parse(text)
        body, place = self.block(parts, 0, name)
        if place != len(parts):
            raise TemplateError(f"{name}: an `end` or `else` too many")
        self.templates[name] = body

    # --- structure ---

    def block(self, parts, place, name):
        """Nodes up to an `else` or `end` of an outer block, or to the end."""
        nodes = []
        while place < len(parts):
            kind, content = parts[place]
            if kind == "text":
                nodes.append(("text", content))
                place += 1
                continue
            word = content.split(None, 1)[0] if content else ""
            if word in ("else", "end"):
                return nodes, place
            if word.startswith("/*"):
                place += 1
            elif word in ("if", "with", "range"):
                node, place = self.conditional(parts, place, name)
                nodes.append(node)
            elif word == "define":
                body, place = self.block(parts, place + 1, name)
                self.expect_end(parts, place, name, content)
                self.templates[json.loads(content.split(None, 1)[1])] = body
                place += 1
            else:
                nodes.append(("value", content))
                place += 1
        return nodes, place

    def conditional(self, parts, place, name):
        word, code = parts[place][1].split(None, 1)
        body, place = self.block(parts, place + 1, name)
        otherwise = []
        if place < len(parts) and parts[place][1].startswith("else"):
            rest = parts[place][1][4:].strip()
            if rest:
                parts = parts[:place] + [("action", rest)] + parts[place + 1 :]
                node, place = self.conditional(parts, place, name)
                return (word, code, body, [node]), place
            otherwise, place = self.block(parts, place + 1, name)
        self.expect_end(parts, place, name, parts[place - 1][1] if place else "")
        return (word, code, body, otherwise), place + 1

    def expect_end(self, parts, place, name, what):
        if place >= len(parts) or parts[place][1] != "end":
            raise TemplateError(f"{name}: no `end` for `{what}`")

    # --- rendering ---

    def include(self, name, dot):
        if name not in self.templates:
            raise TemplateError(f"no template is called {name}")
        return self.run(self.templates[name], dot)

    def run(self, nodes, dot):
        out = []
        for node in nodes:
            match node:
                case ("text", text):
                    out.append(text)
                case ("value", code):
                    out.append(plain(self.value(code, dot)))
                case ("if", code, body, otherwise):
                    out.append(self.run(body if self.value(code, dot) else otherwise, dot))
                case ("with", code, body, otherwise):
                    value = self.value(code, dot)
                    out.append(self.run(body, value) if value else self.run(otherwise, dot))
                case ("range", code, body, otherwise):
                    values = self.value(code, dot)
                    out += [self.run(body, value) for value in values]
                    if not values:
                        out.append(self.run(otherwise, dot))
        return "".join(out)

    # --- expressions ---

    def value(self, code, dot):
        tokens, place = [], 0
        while code[place:].strip():
            match = TOKEN.match(code, place)
            if not match:
                raise TemplateError(f"`{code}` can't be read")
            tokens.append(match[1])
            place = match.end()
        value, rest = self.pipeline(tokens, dot)
        if rest:
            raise TemplateError(f"`{code}`: what does `{rest[0]}` do here?")
        return value

    def pipeline(self, tokens, dot):
        value, tokens = self.command(tokens, dot)
        while tokens and tokens[0] == "|":
            value, tokens = self.command(tokens[1:], dot, piped=[value])
        return value, tokens

    def command(self, tokens, dot, piped=()):
        """An operand, or a function with its arguments; a piped value comes last."""
        head, arguments = tokens[0], []
        is_call = re.fullmatch(r"[a-zA-Z]\w*", head) and head not in ("true", "false", "nil")
        rest = tokens[1:] if is_call else tokens
        while rest and rest[0] not in ("|", ")"):
            value, rest = self.operand(rest, dot)
            arguments.append(value)
        if not is_call:
            if len(arguments) != 1 or piped:
                raise TemplateError(f"`{' '.join(tokens)}` is no command")
            return arguments[0], rest
        arguments += piped
        if head == "include":
            return self.include(*arguments), rest
        if head not in FUNCTIONS:
            raise TemplateError(f"`{head}` is no function that is known here")
        return FUNCTIONS[head](*arguments), rest

    def operand(self, tokens, dot):
        token = tokens[0]
        if token == "(":
            value, rest = self.pipeline(tokens[1:], dot)
            if not rest or rest[0] != ")":
                raise TemplateError("a `)` is missing")
            return value, rest[1:]
        return self.literal(token, dot), tokens[1:]

    def literal(self, token, dot):
        if token[0] == '"':
            return json.loads(token)
        if token[0] == "`":
            return token[1:-1]
        if token in ("true", "false"):
            return token == "true"
        if re.fullmatch(r"-?\d+", token):
            return int(token)
        if not re.fullmatch(r"\$?(\.\w+)*\.?", token):
            raise TemplateError(f"`{token}` is no operand")
        value = self.root if token.startswith("$") else dot
        for field in filter(None, token.lstrip("$").split(".")):
            if not isinstance(value, dict) or field not in value:
                raise TemplateError(f"`{token}`: there is no `{field}`")
            value = value[field]
        return value


def plain(value):
    """As Go prints it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def indent(width, text):
    return "\n".join(" " * width + line for line in text.split("\n"))


FUNCTIONS = {
    "and": lambda *values: next((v for v in values if not v), values[-1]),
    "or": lambda *values: next((v for v in values if v), values[-1]),
    "not": lambda value: not value,
    "eq": lambda first, *others: any(first == other for other in others),
    "default": lambda fallback, value: value or fallback,
    "indent": indent,
    "join": lambda separator, values: separator.join(plain(v) for v in values),
    "keys": lambda value: list(value),
    "list": lambda *values: list(values),
    "nindent": lambda width, text: "\n" + indent(width, text),
    "printf": lambda form, *values: form % tuple(plain(v) for v in values),
    "quote": lambda value: json.dumps(plain(value)),
    "sha256sum": lambda text: hashlib.sha256(text.encode()).hexdigest(),
    "sortAlpha": lambda values: sorted(values),
    "toYaml": lambda value: yaml.safe_dump(value, default_flow_style=False, width=10**6).rstrip("\n"),
}
