/** What a PD costs, and the PD from which a loan no longer pays. Rates and PDs as fractions, not per cent. */

/** PD × loss given default × exposure at default, in the exposure's currency. */
export function expectedLoss(pd: number, lossGivenDefault: number, exposure: number): number {
  return pd * lossGivenDefault * exposure;
}

/** Profit for one unit of exposure over the horizon of the PD; margin = rate − funding − operating cost. */
export function unitProfit(pd: number, margin: number, lossGivenDefault: number): number {
  return (1 - pd) * margin - pd * lossGivenDefault;
}

/** The PD at which `unitProfit` is zero: margin / (margin + LGD). A natural place for a cut-off. */
export function breakEvenPd(margin: number, lossGivenDefault: number): number {
  return margin / (margin + lossGivenDefault);
}
