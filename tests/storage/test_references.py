"""References are kept for other replicas of their version: of each kind the newest."""

from __future__ import annotations


def test_the_newest_of_a_kind_is_found(make_store):
    one, two, other = make_store(), make_store(), make_store(version="2")
    assert one.reference_name("rows") == ""
    assert one.reference("rows", "02") is None
    one.add_reference("rows", "02", b"second\0", 1.0)
    assert (two.reference_name("rows"), two.reference("rows", "02")) == ("02", b"second\0")
    two.add_reference("rows", "01", b"first", 2.0)
    assert (one.reference_name("rows"), one.reference("rows", "01")) == ("02", None)
    two.add_reference("rows", "02", b"something else", 3.0)
    assert one.reference("rows", "02") == b"second\0"
    two.add_reference("rows", "03", b"third", 3.0)
    assert (one.reference_name("rows"), one.reference("rows", "03")) == ("03", b"third")
    assert one.reference("rows", "02") is None
    assert one.reference_name("quality") == other.reference_name("rows") == ""


def test_references_of_a_version_that_is_gone_go_after_a_year(make_store):
    gone, store = make_store(version="1"), make_store(version="2")
    gone.add_reference("rows", "01", b"old", 1.0)
    store.add_reference("rows", "01", b"old, and in use", 1.0)
    store.prune(364 * 86_400.0)
    assert gone.reference_name("rows") == "01"
    store.prune(366 * 86_400.0)
    assert gone.reference_name("rows") == ""
    assert store.reference_name("rows") == "01"
