//! Telling the shared store who was here, part by part.

use std::time::Instant;

use super::{ONLINE_WINDOW_MS, Room};
use crate::fleet::error::CallError;
use crate::fleet::presence::{self, TOUCHES_MAX};
use crate::fleet::{Question, Terms};
use crate::rows::Touched;
use crate::store::Sequence;
use crate::words::SiteId;

impl Room {
    /// Tells who was here, and answers which visits opened.
    pub(super) async fn touch(&self, question: Question) {
        let Question { site, settled, touches, answer } = question;
        let begun = Instant::now();
        let expected =
            self.links.borrow().get(&site).and_then(|slot| presence::expected(slot.settled, begun));
        let told = self.tell(&site, settled, &touches, expected).await;
        let told = self.noted("touch", begun, told);
        self.status.set_told(&site, &told);
        if let Ok((opened, forgot)) = &told
            // Where nobody was here, the store was told nothing.
            && !touches.is_empty()
            && let Some(slot) = self.links.borrow_mut().get_mut(&site)
        {
            slot.next = Instant::now();
            slot.settled = Some((settled, slot.next));
            let lost = if *forgot { slot.doubt.begin(slot.next) } else { 0 };
            let opened = opened.iter().filter(|opened| **opened).count();
            self.status.add_alone(lost + slot.doubt.take(opened, slot.next));
        }
        match (answer, told) {
            (Some(answer), told) => {
                let forgot = told.as_ref().is_ok_and(|(_, forgot)| *forgot);
                // The fold may have given up waiting; then it has decided alone.
                answer.send((site.clone(), told.map(|(opened, _)| opened))).ok();
                if forgot {
                    tracing::warn!(site = %site, "the shared store forgot who is here; it is told again");
                    self.status.add_lost();
                    // The next exchange that succeeds asks for it.
                    self.told.borrow_mut().remove(&site);
                }
            }
            (None, Ok(_)) => {}
            (None, Err(_)) => self.status.set_away(&site),
        }
    }

    /// Tells every part of a site about its visitors, the parts side by side. Gives which touches opened a
    /// visit, and whether the store forgot what it was told before.
    async fn tell(
        &self,
        site: &SiteId,
        settled: Sequence,
        touches: &[Touched],
        expected: Option<Sequence>,
    ) -> Result<(Vec<bool>, bool), CallError> {
        let terms = self.terms(site, settled);
        let (first, drop) = if terms.parts > 1 {
            presence::carried(&self.caller(), site, touches, terms.parts).await?
        } else {
            Default::default()
        };
        let mut by_part: Vec<Vec<usize>> = vec![Vec::new(); terms.parts];
        for (place, touch) in first.iter().chain(touches).enumerate() {
            by_part[presence::part_of(touch.visitor, terms.parts)].push(place);
        }
        let of = |place: usize| first.get(place).unwrap_or_else(|| &touches[place - first.len()]);
        let told = by_part.iter().enumerate().filter(|(_, places)| !places.is_empty());
        let told = told.map(|(part, places)| {
            let touches: Vec<&Touched> = places.iter().map(|place| of(*place)).collect();
            async move { (places, self.tell_part(site, part, &touches, &terms, expected).await) }
        });
        let mut opened = vec![false; first.len() + touches.len()];
        let mut forgot = false;
        for (places, told) in futures_util::future::join_all(told).await {
            let (verdicts, forgot_part) = told?;
            places.iter().zip(verdicts).for_each(|(place, verdict)| opened[*place] = verdict);
            forgot |= forgot_part;
        }
        for (part, ids) in drop {
            presence::carry(&self.caller(), site, part, "drop", &ids).await?;
        }
        opened.drain(..first.len());
        Ok((opened, forgot))
    }

    /// Tells one part, in calls of a bounded size one after the other.
    async fn tell_part(
        &self,
        site: &SiteId,
        part: usize,
        touches: &[&Touched],
        terms: &presence::Terms,
        expected: Option<Sequence>,
    ) -> Result<(Vec<bool>, bool), CallError> {
        let (mut opened, mut forgot) = (Vec::with_capacity(touches.len()), false);
        for (n, chunk) in touches.chunks(TOUCHES_MAX).enumerate() {
            let told = presence::touch(&self.caller(), site, part, chunk, terms).await?;
            self.status.add_touches(chunk.len());
            forgot |= n == 0
                && terms.parts == 1
                && expected.is_some_and(|settled| told.settled.unwrap_or(0) < settled.0);
            opened.extend(told.opened);
        }
        Ok((opened, forgot))
    }

    pub(super) fn terms(&self, site: &SiteId, settled: Sequence) -> presence::Terms {
        let sites = self.sites.borrow();
        let terms = sites.get(site);
        presence::Terms {
            settled,
            visit_window_ms: self.options.visit_window_ms,
            online_window_ms: terms.map_or(ONLINE_WINDOW_MS, |terms| terms.online_window_ms),
            cut: self.cut.get(),
            parts: terms.map_or(1, |terms| terms.parts),
            now: self.clock.now(),
        }
    }

    /// Who is online in the parts of a site that its exchange does not see.
    pub(super) async fn online_elsewhere(&self, terms: &Terms) -> Result<u64, CallError> {
        let told = self.terms(&terms.site, Sequence(0));
        let caller = self.caller();
        let parts = (1..terms.parts).map(|part| presence::touch(&caller, &terms.site, part, &[], &told));
        let mut online = 0;
        for told in futures_util::future::join_all(parts).await {
            online += told?.online;
        }
        Ok(online)
    }
}
