"""The planner's data: context, configuration, plan, and what they are made of."""
