from hypothesis import given
from hypothesis import strategies as st

from safelight.services.sieve import Sieve

THINGS = [(("ab", "ba"), 0), ((), 1), (("b",), 2), (("abc",), 3), ((), 4)]


@given(text=st.text("abc", max_size=6))
def test_what_is_left_are_the_things_with_a_word_in_the_text_and_those_without_words_in_their_order(text):
    expected = [thing for words, thing in THINGS if not words or any(word in text for word in words)]
    assert Sieve(THINGS).left(text) == expected
