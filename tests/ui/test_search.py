"""The node search of the real front end finds our nodes by other words, where it knows search aliases."""

import pytest

from tests.host.test_schemas import ASKED

SEARCH = """word => document.querySelector('#vue-app').__vue_app__.config.globalProperties.$pinia._s
    .get('nodeDef').nodeSearchService.searchNode(word).map(node => node.name)"""


@pytest.mark.parametrize("word", ASKED)
def test_a_word_finds_the_node(page, object_info, word):
    if not any(schema.get("search_aliases") for schema in object_info.values()):
        pytest.skip("this front end searches only the ids and the titles of nodes")
    assert ASKED[word] in page.evaluate(SEARCH, word)[:5]


def test_a_title_finds_the_node_everywhere(page):
    assert page.evaluate(SEARCH, "erase concepts")[0] == "MACE_EraseConcepts"
