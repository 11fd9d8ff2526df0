//! The three ways to choose among endpoints. Each gets the slots of the candidates, in order and all of weight
//! above 0, and skips the excluded ones.

use std::cmp::Ordering;

use haechi_core::Instant;
use haechi_core::rng::Rng;

use crate::endpoint::{Endpoint, EndpointKey};
use crate::picker::Slot;

/// The candidates of one pick.
pub(crate) struct Candidates<'a> {
    pub(crate) list: &'a [u32],
    pub(crate) exclude: &'a [EndpointKey],
}

impl Candidates<'_> {
    fn allowed<'s>(&self, slots: &'s [Slot], slot: u32) -> Option<&'s Endpoint> {
        let Slot { epoch, endpoint } = slots.get(slot as usize)?;
        let key = EndpointKey { slot, epoch: *epoch };
        if self.exclude.contains(&key) { None } else { endpoint.as_ref() }
    }

    fn iter<'s>(&'s self, slots: &'s [Slot]) -> impl Iterator<Item = (u32, &'s Endpoint)> {
        self.list.iter().filter_map(|slot| Some((*slot, self.allowed(slots, *slot)?)))
    }

    /// The first allowed candidate at or after place `start`, around the list, that isn't at place `but`.
    fn from<'s>(&self, slots: &'s [Slot], start: usize, but: Option<usize>) -> Option<(usize, &'s Endpoint)> {
        (start..self.list.len())
            .chain(0..start)
            .filter(|place| Some(*place) != but)
            .find_map(|place| Some((place, self.allowed(slots, self.list[place])?)))
    }
}

/// Power of two choices: of two endpoints drawn at random, the one with the lower load per weight.
///
/// That alone would starve the lighter of two idle endpoints. So where it prefers the heavier one, the lighter
/// still gets its chance: with the probability that gives both their share by weight when their loads are
/// alike, the load alone decides. With equal weights this is plain P2C.
pub(crate) fn p2c(slots: &[Slot], among: &Candidates<'_>, now: Instant, rng: &mut Rng) -> Option<u32> {
    let count = among.list.len();
    if count == 0 {
        return None;
    }
    let (first, a) = among.from(slots, rng.usize(..count), None)?;
    // Every other place is as likely, so every pair is.
    let other = if count == 1 { first } else { (first + 1 + rng.usize(..count - 1)) % count };
    let Some((second, b)) = among.from(slots, other, Some(first)) else { return Some(among.list[first]) };
    let ((light, light_end), (heavy, heavy_end)) =
        if a.weight <= b.weight { ((first, a), (second, b)) } else { ((second, b), (first, a)) };
    let (light_weight, heavy_weight) = (f64::from(light_end.weight), f64::from(heavy_end.weight));
    let (light_load, heavy_load) = (light_end.load(now), heavy_end.load(now));
    let takes_light = light_load / light_weight < heavy_load / heavy_weight || {
        let chance = 2.0 * light_weight / (light_weight + heavy_weight);
        let less_loaded = match light_load.total_cmp(&heavy_load) {
            Ordering::Less => true,
            Ordering::Equal => rng.bool(),
            Ordering::Greater => false,
        };
        less_loaded && rng.f64() < chance
    };
    Some(among.list[if takes_light { light } else { heavy }])
}

/// At random, by weight.
pub(crate) fn random(slots: &[Slot], among: &Candidates<'_>, rng: &mut Rng) -> Option<u32> {
    let total: u64 = among.iter(slots).map(|(_, endpoint)| u64::from(endpoint.weight)).sum();
    if total == 0 {
        return None;
    }
    let mut left = rng.u64(..total);
    for (slot, endpoint) in among.iter(slots) {
        let weight = u64::from(endpoint.weight);
        if left < weight {
            return Some(slot);
        }
        left -= weight;
    }
    None
}

/// Round robin among endpoints of one weight: the next allowed one behind `last`. It serves the same order as
/// [`round_robin`] and doesn't look at every endpoint for each request, of which there may be thousands.
pub(crate) fn turns(slots: &[Slot], among: &Candidates<'_>, last: &mut Option<u32>) -> Option<u32> {
    let next = last.map_or(0, |last| among.list.partition_point(|slot| *slot <= last));
    let (place, _) = among.from(slots, next, None)?;
    *last = Some(among.list[place]);
    *last
}

/// Smooth weighted round robin, as in nginx: everyone's turn grows by its weight, the greatest goes and pays
/// the sum. Weights 5, 1, 1 give a a b a c a a, never a run of five.
pub(crate) fn round_robin(slots: &mut [Slot], among: &Candidates<'_>) -> Option<u32> {
    let mut total = 0;
    let mut best: Option<(u32, i64)> = None;
    for slot in among.list {
        let Some(weight) = among.allowed(slots, *slot).map(|endpoint| i64::from(endpoint.weight)) else {
            continue;
        };
        let Some(endpoint) = slots[*slot as usize].endpoint.as_mut() else { continue };
        endpoint.turn += weight;
        total += weight;
        if best.is_none_or(|(_, turn)| endpoint.turn > turn) {
            best = Some((*slot, endpoint.turn));
        }
    }
    let (slot, _) = best?;
    slots[slot as usize].endpoint.as_mut()?.turn -= total;
    Some(slot)
}
