import torch

from regard.models.attention_lstm import AttentionLSTM


def test_it_is_pytorchs_lstm_where_it_reads_means():
    own = AttentionLSTM(5, 7, looks=False).double()
    lstm = torch.nn.LSTM(5, 7, batch_first=True).double()
    lstm.load_state_dict({f"{name}_l0": value for name, value in own.cell.state_dict().items()})
    x = torch.randn(2, 5, 6, dtype=torch.float64)
    hidden, cell = torch.tanh(own.begin(x.mean(2))).chunk(2, 1)
    want, _ = lstm(x.transpose(1, 2), (hidden.unsqueeze(0).contiguous(), cell.unsqueeze(0).contiguous()))
    torch.testing.assert_close(own(x, None), want.transpose(1, 2), rtol=1e-12, atol=1e-12)


def test_equal_positions_get_equal_weights():
    own, seen = AttentionLSTM(5, 7).double(), []
    own.spatial.sink = seen.append
    frames = torch.randn(2, 5, 3, dtype=torch.float64)
    even = own(frames[..., None, None].expand(-1, -1, -1, 2, 4), None)
    assert len(seen) == 3
    torch.testing.assert_close(seen[0], torch.full((2, 1, 2, 4), 1 / 8, dtype=torch.float64))
    plain = AttentionLSTM(5, 7, looks=False).double()
    plain.load_state_dict({k: v for k, v in own.state_dict().items() if k.startswith(("begin", "cell"))})
    torch.testing.assert_close(even, plain(frames, None), rtol=1e-12, atol=1e-12)


def test_the_state_chooses_what_is_seen():
    own, seen = AttentionLSTM(5, 7).double(), []
    own.spatial.sink = seen.append
    same = torch.randn(1, 5, 1, 2, 2, dtype=torch.float64).expand(-1, -1, 3, -1, -1)
    own(same, None)
    assert not torch.allclose(seen[0], seen[1], rtol=1e-3)


def test_the_state_waits_where_no_frame_is():
    own, x = AttentionLSTM(5, 7).double(), torch.randn(1, 5, 4, 2, 2, dtype=torch.float64)
    mask = torch.tensor([[True, False, True, True]])
    cleared = x.masked_fill(~mask[:, None, :, None, None], 0)
    torch.testing.assert_close(own(cleared, mask)[:, :, mask[0]], own(x[:, :, mask[0]], None), rtol=1e-12, atol=1e-12)
