"""Who pays whom inside the neighbourhood: payments that add up to the bill of the connection, to the cent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Settlement:
    """What every house pays (+) or gets, in cents of the currency."""

    payments_cents: tuple[int, ...]
    bill_cents: int
    """Of the common connection; what the payments add up to."""
    inside_kwh: float
    """Energy that went from house to house."""
    topped_up_cents: tuple[int, ...] = ()
    """What of the payment was moved between houses so that nobody is worse off than alone."""

    @property
    def payments(self) -> tuple[float, ...]:
        """In the currency."""
        return tuple(cents / 100.0 for cents in self.payments_cents)


def mid_market(
    net_kwh: Floats, import_price: Floats, export_price: Floats, alone: Sequence[float] | None = None
) -> Settlement:
    """Settle at the middle of import and export price: the default, for it can be explained in a sentence.

    `net_kwh` has a row for each house: what it takes (+) or gives in each step. Energy between houses costs
    the middle; what is left is bought and sold outside and shared in proportion. `alone` are the houses'
    bills without the neighbourhood: who would pay more than that gets the difference from those who gain.
    """
    net, bought, sold, inside = _sides(net_kwh)
    middle = (import_price + export_price) / 2.0
    with np.errstate(invalid="ignore", divide="ignore"):
        buy = np.where(bought > 0.0, (inside * middle + (bought - inside) * import_price) / bought, 0.0)
        sell = np.where(sold > 0.0, (inside * middle + (sold - inside) * export_price) / sold, 0.0)
    payments = (np.maximum(net, 0.0) * buy - np.maximum(-net, 0.0) * sell).sum(axis=1)
    return _settled(payments, _connection(net, import_price, export_price), float(inside.sum()), alone)


def dual_prices(
    net_kwh: Floats,
    price_of_house: Floats,
    import_price: Floats,
    export_price: Floats,
    alone: Sequence[float] | None = None,
) -> Settlement:
    """Settle every house at the marginal price of its bus, for experts: it rewards help in scarcity.

    `price_of_house` has the shape of `net_kwh` (see `joint.JointPlan.price_of_house`). What congestion leaves
    over, or rounding, is handed back in proportion to the energy that a house moved.
    """
    net, _, _, inside = _sides(net_kwh)
    payments = (np.nan_to_num(price_of_house) * net).sum(axis=1)
    bill = _connection(net, import_price, export_price)
    moved = np.abs(net).sum(axis=1)
    houses = len(payments)
    share = moved / moved.sum() if moved.sum() > 0.0 else np.full(houses, 1.0 / max(houses, 1))
    payments = payments - (payments.sum() - bill) * share
    return _settled(payments, bill, float(inside.sum()), alone)


def _sides(net_kwh: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    net = np.nan_to_num(net_kwh)
    bought, sold = np.maximum(net, 0.0).sum(axis=0), np.maximum(-net, 0.0).sum(axis=0)
    return net, bought, sold, np.minimum(bought, sold)


def _connection(net: Floats, import_price: Floats, export_price: Floats) -> float:
    together = net.sum(axis=0)
    return float(np.where(together >= 0.0, import_price * together, export_price * together).sum())


def _settled(payments: Floats, bill: float, inside_kwh: float, alone: Sequence[float] | None) -> Settlement:
    moved: Floats = np.zeros(len(payments))
    if alone is not None:
        moved = _top_up(payments, np.asarray(alone, np.float64))
    bill_cents = round(100.0 * bill)
    return Settlement(
        _cents(payments + moved, bill_cents),
        bill_cents,
        inside_kwh,
        tuple(round(100.0 * value) for value in moved.tolist()) if alone is not None else (),
    )


def _top_up(payments: Floats, alone: Floats) -> Floats:
    """Return what is moved from those who gain to those who lose, in proportion, as far as the gain goes."""
    gain = alone - payments
    losses, gains = np.maximum(-gain, 0.0), np.maximum(gain, 0.0)
    covered = min(losses.sum(), gains.sum())
    if covered <= 0.0:
        return np.zeros(len(payments))
    moved: Floats = gains * (covered / gains.sum()) - losses * (covered / losses.sum())
    return moved


def _cents(payments: Floats, total_cents: int) -> tuple[int, ...]:
    """Round so that the sum is exact: the largest remainders are rounded up."""
    exact = [100.0 * value for value in payments.tolist()]
    if not exact:
        return ()
    whole = [math.floor(value) for value in exact]
    missing = total_cents - sum(whole)
    by_remainder = sorted(range(len(exact)), key=lambda at: whole[at] - exact[at])
    everybody, some = divmod(missing, len(exact))
    for place, at in enumerate(by_remainder):
        whole[at] += everybody + (place < some)
    return tuple(whole)
