//! Calls whose cost is worked out from a price table.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use harness_core::{Completion, Delta, LlmBackend, ModelId, Price, Request, Result};

use crate::price::PriceTable;

/// Fills in what a call cost where the server did not say. An unknown price, or an unknown usage, stays unknown: never 0.
#[derive(Debug)]
pub struct Priced<L> {
    inner: L,
    price: Option<Arc<Price>>,
}

impl<L: LlmBackend> Priced<L> {
    /// Wraps `inner` with its price in `table`, if it has one.
    pub fn new(inner: L, table: &PriceTable) -> Self {
        let price = table.price(inner.model()).map(Arc::new);
        if price.is_none() {
            tracing::debug!(model = %inner.model(), "no price is known: costs stay unknown unless the server tells them");
        }
        Self { inner, price }
    }
}

fn fill(price: Option<&Price>, completion: &mut Completion) {
    if let (Some(price), Some(usage)) = (price, &mut completion.usage) {
        // What the server itself says it charged is closer to the truth than our table.
        usage.cost_usd = usage.cost_usd.or_else(|| Some(price.of(usage)));
    }
}

#[async_trait]
impl<L: LlmBackend> LlmBackend for Priced<L> {
    fn model(&self) -> &ModelId {
        self.inner.model()
    }

    fn price(&self) -> Option<Price> {
        self.price.as_deref().copied().or_else(|| self.inner.price())
    }

    async fn complete(&self, request: Request) -> Result<Completion> {
        let mut completion = self.inner.complete(request).await?;
        fill(self.price.as_deref(), &mut completion);
        Ok(completion)
    }

    async fn stream(&self, request: Request) -> Result<BoxStream<'static, Result<Delta>>> {
        let price = self.price.clone();
        let deltas = self.inner.stream(request).await?.map(move |delta| match delta {
            Ok(Delta::Done(mut completion)) => {
                fill(price.as_deref(), &mut completion);
                Ok(Delta::Done(completion))
            }
            other => other,
        });
        Ok(deltas.boxed())
    }
}
