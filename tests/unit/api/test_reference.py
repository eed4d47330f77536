"""The reference page, made from an OpenAPI document alone."""

from __future__ import annotations

from typing import Any

import pytest

from dialtrace.api.curl import curl_of
from dialtrace.api.examples import example_of
from dialtrace.api.reference import entries_of, kind_of, prose, render

DOCUMENT: dict[str, Any] = {
    "info": {"title": "API <1>", "version": "1", "description": "First `code`.\n\nSecond <b>."},
    "tags": [{"name": "Things", "description": "All of them."}],
    "components": {
        "schemas": {
            "Thing": {
                "type": "object",
                "description": "A thing.",
                "required": ["name"],
                "properties": {"name": {"type": "string", "description": "Its <name>."}, "next": {"$ref": "#/x/Thing"}},
            },
            "Either": {"anyOf": [{"$ref": "#/x/Thing"}, {"type": "string"}], "examples": [{"name": "<either>"}]},
        }
    },
    "paths": {
        "/v1/things/{thing_id}": {
            "patch": {
                "operationId": "change_thing",
                "summary": "Change a thing",
                "tags": ["Things"],
                "security": [{"key": []}],
                "x-roles": ["agency"],
                "parameters": [
                    {"name": "thing_id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
                ],
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"$ref": "#/x/Thing"}, "example": {"name": "it's"}},
                    }
                },
                "responses": {"200": {"description": "Done."}, "404": {"description": "Not there."}},
            }
        }
    },
}


def test_given_a_document_when_rendered_then_the_page_says_all_of_it_and_nothing_unescaped() -> None:
    page = render(DOCUMENT).page.decode()
    for text in ("API &lt;1&gt;", "<code>code</code>", "Second &lt;b&gt;.", "Change a thing", "/v1/things/{thing_id}",
                 "Its &lt;name&gt;.", 'id="change_thing"'):  # fmt: skip
        assert text in page
    assert "<1>" not in page
    assert "<name>" not in page


def test_given_a_schema_with_an_example_when_rendered_then_the_page_shows_it() -> None:
    page = render(DOCUMENT).page.decode()
    assert '<h3 id="schema-Either">' in page
    assert "&#34;name&#34;: &#34;&lt;either&gt;&#34;" in page


def test_given_an_operation_when_read_then_its_parameters_and_members_are_listed() -> None:
    (entry,) = entries_of(DOCUMENT)
    assert [(field.name, field.kind, field.required, field.place) for field in entry.parameters] == [
        ("thing_id", "uuid", True, "path")
    ]
    assert [(field.name, field.kind, field.required) for field in entry.members] == [
        ("name", "string", True),
        ("next", "Thing", False),
    ]


def test_given_an_operation_when_written_as_curl_then_a_shell_can_run_it() -> None:
    operation = DOCUMENT["paths"]["/v1/things/{thing_id}"]["patch"]
    line = curl_of("PATCH", "/v1/things/{thing_id}", operation, {"name": "it's"})
    assert '"$DIALTRACE/v1/things/$THING_ID"' in line
    assert '-H "If-Match: $ETAG"' in line
    assert """-d '{"name": "it'\\''s"}'""" in line


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 200, "default": 50}, "integer 1 to 200, default 50"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string or null"),
        ({"enum": ["a", "b"]}, "a | b"),
        ({"const": 1}, "1"),
        ({"type": "array", "items": {"$ref": "#/x/Thing"}}, "list of Thing"),
        ({}, "anything"),
    ],
)
def test_given_a_schema_when_named_then_a_few_words_say_it(schema: dict[str, Any], words: str) -> None:
    assert kind_of(schema, {}) == words


def test_given_prose_when_rendered_then_markup_of_others_is_text() -> None:
    assert prose("a `<b>` **c**\nd\n\ne") == "<p>a <code>&lt;b&gt;</code> <strong>c</strong> d</p><p>e</p>"


def test_given_a_schema_that_holds_itself_when_an_example_is_made_then_it_ends() -> None:
    schemas = {"Node": {"type": "object", "properties": {"next": {"$ref": "#/x/Node"}, "name": {"type": "string"}}}}
    found = example_of({"$ref": "#/x/Node"}, schemas)
    assert found["name"] == "text"
