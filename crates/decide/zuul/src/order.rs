//! Zuul takes the first route that matches. Priorities say the same where specificity would not.

use haechi_route::config::Route;
use haechi_route::{Specificity, can_both_match};

/// Gives each route the lowest priority with which it beats every later one that could take its requests.
/// Returns the highest given.
pub(crate) fn keep_order(routes: &mut [Route]) -> i32 {
    let specificity: Vec<Specificity> =
        routes.iter().map(|route| Specificity::of(0, &route.matches)).collect();
    for first in (0..routes.len()).rev() {
        let (before, after) = routes.split_at_mut(first + 1);
        let route = &mut before[first];
        let needed = |(later, other): (usize, &Route)| {
            let wins_anyway = specificity[first] > specificity[first + 1 + later];
            let step = i32::from(!wins_anyway);
            let needed = other.priority + step;
            (needed > 0 && can_both_match(&route.matches, &other.matches)).then_some(needed)
        };
        route.priority = after.iter().enumerate().filter_map(needed).max().unwrap_or(0);
    }
    routes.iter().map(|route| route.priority).max().unwrap_or(0)
}
