"""RTP ports are claimed, not looked at: nodes bind them call by call."""

import pytest

from dialtrace.launch import RTP_BLOCKS, NoRtpPorts, reserve_rtp_block, rtp_blocks


def test_given_a_block_that_is_claimed_when_another_platform_asks_then_it_gets_another_one() -> None:
    first = rtp_blocks(1, None)
    second = rtp_blocks(1, None)
    try:
        assert first[0][0] != second[0][0]
    finally:
        for _, claim in (*first, *second):
            assert claim is not None
            claim.close()


def test_given_a_claim_that_is_given_back_when_asked_again_then_the_block_is_free() -> None:
    port = 9_999_999  # No platform's.
    claim = reserve_rtp_block(port)
    assert claim is not None
    assert reserve_rtp_block(port) is None
    claim.close()
    again = reserve_rtp_block(port)
    assert again is not None
    again.close()


def test_given_more_nodes_than_blocks_when_asked_then_it_is_said() -> None:
    with pytest.raises(NoRtpPorts, match="RTP ports"):
        rtp_blocks(len(RTP_BLOCKS) + 1, None)
